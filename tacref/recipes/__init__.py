"""Settings that were measured, as TOML files: `tacref train --recipe NAME`."""
