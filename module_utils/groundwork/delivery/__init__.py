"""What the workflows and Atlantis do, as commands that also run on a laptop: python -m groundwork.delivery --help."""
