from daemon.sim import rest_fields


def test_no_field_is_listed_twice() -> None:
    tables = {name: text for name, text in vars(rest_fields).items() if name.isupper()}
    assert len(tables) == 18
    for text in tables.values():
        assert len(text.split()) == len(set(text.split()))
