"""What is measured inside the network while it trains: one small file per quantity, and a session."""
