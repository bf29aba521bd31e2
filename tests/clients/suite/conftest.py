def pytest_configure(config):
    """Give every xdist worker a local database of its own: the plugin's is made for one writer."""
    worker = getattr(config, "workerinput", None)
    if worker:
        config.option.mtr_db_out += "." + worker["workerid"]
