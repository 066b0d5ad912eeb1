"""How the world is photographed: camera, light, rendering, sensor."""
