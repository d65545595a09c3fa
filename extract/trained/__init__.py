"""The trained component: a small spaCy recogniser of drug names, off by default, whose proposals go to review."""
