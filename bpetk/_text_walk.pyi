# No Python names: the C interface is src_ext/bpetk/_text_walk.pxd.
