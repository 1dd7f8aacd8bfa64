# No Python names: the C interface is src_ext/bpetk/_segment_merge.pxd.
