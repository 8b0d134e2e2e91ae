"""What the page looks like; the only place that imports Gradio."""
