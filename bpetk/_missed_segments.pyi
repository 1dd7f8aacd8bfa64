# No Python names: the C interface is src_ext/bpetk/_missed_segments.pxd.
