"""Train low-dose CT denoising networks on one table of conditions, and score them alike."""
