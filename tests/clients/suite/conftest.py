def pytest_configure(config):
    """Gives every xdist worker a local database of its own: the plugin's supports one writer."""
    worker = getattr(config, "workerinput", None)
    if worker:
        config.option.mtr_db_out += "." + worker["workerid"]
