"""Seeds of days that once broke a promise: lived through again with every change."""

REMEMBERED = (
    1,
    3,
    6,
    11,
    17,
    18,
    34,
    78,
    106,
    2103,
    2107,
    3010,
    3031,
    3078,
    4083,
    10080,
    10154,
    20097,
    30240,
    40024,
)

BROKEN = (50159,)
"""Seeds of Korea whose day breaks a promise that nobody has mended yet: after two crashes in a row
strategies are told of trades of one instrument some 20 s later than the judge allows."""
