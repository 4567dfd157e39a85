"""How outcomes become durable, once, whoever crashes: taking partition numbers over, writing, handing them on."""
