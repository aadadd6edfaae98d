"""From tables to text: Markdown, HTML, LaTeX, CSV, and the figures."""
