"""Dashboard and API: shows what the other rooms know and takes in what people decide. Nothing is computed here that the
command does not compute, and nothing of Dropline's but the command imports it."""
