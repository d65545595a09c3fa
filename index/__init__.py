"""Where observations live and are asked: a narrow Store with two backends, and the measures."""
