"""What the page does, as plain functions and generators that know nothing of Gradio."""
