from daemon.sim.options import APP_KEY, APP_SECRET


def test_credentials_have_the_lengths_clients_check() -> None:
    assert (len(APP_KEY), len(APP_SECRET)) == (36, 180)
    assert APP_KEY.startswith("SIM")
    assert APP_SECRET.startswith("SIM")
