"""adapter + prompted baseline + held-out pairs -> scorecard.json."""
