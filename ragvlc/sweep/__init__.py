"""Floor 4: a sweep is a pure plan plus a dull loop; the disk is the truth."""
