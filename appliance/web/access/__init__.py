"""Who may use the page: one-time sign-in codes, sessions, tokens, and the limit on failed attempts."""
