"""One file for each part of a report: records in, tables out."""
