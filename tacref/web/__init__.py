"""A page that follows a performer in the browser: JavaScript, and Python that writes the folder."""
