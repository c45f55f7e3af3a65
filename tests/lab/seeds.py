"""Seeds of days that once broke a promise: lived through again with every change."""

REMEMBERED = (1, 3, 6, 11, 17, 18)
