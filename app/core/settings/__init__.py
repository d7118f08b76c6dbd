"""The settings, a group for each topic. `app.core.config` joins the groups."""
