"""What a cell leaves on disk, and the golden values it is held against."""
