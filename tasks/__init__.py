"""What one step does: files in, files out; one stage a file, one public function of the same name."""
