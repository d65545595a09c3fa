"""What a person starts: the `dropline` command, the demo world, delivery."""
