"""What any network has to beat: the linear backward model."""
