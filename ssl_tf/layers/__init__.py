"""Parts with weights or state."""
