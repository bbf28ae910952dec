"""One step of the reconstruction per file; each can be used alone."""
