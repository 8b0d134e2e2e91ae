"""scorecard.json -> scorecard.html: one page that needs nothing but itself."""
