"""What ablab costs, measured: each module measures one thing; its results name their circumstances."""
