"""How good the forecasts were: what came true, and forecasts made again as of past days."""
