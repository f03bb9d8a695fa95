"""`digest` mails researchers the papers they would have wanted to find, once a day, at the hour they chose."""
