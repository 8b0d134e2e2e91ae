"""The page: plain handlers, and views that hang them on Gradio's components."""
