"""What tests share: real servers, the whole stack on free ports, waiting with a deadline."""
