"""The delivery layer under a seeded scheduler, in virtual time, on a broker that is a model. See README.md."""
