"""A decision in, an enforcement out, through ports; never acts twice."""
