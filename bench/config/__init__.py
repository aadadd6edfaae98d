"""From the text of the two YAML files to checked values, or every fault at once."""
