"""What redaction masks: by form, by check digits, by the names of contacts."""
