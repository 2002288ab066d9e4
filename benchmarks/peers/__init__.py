"""Other libraries behind one signature, for report cards and for measurements."""
