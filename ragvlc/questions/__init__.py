"""Questions written by a model from one's own documents, with evidence that is found in their texts and checked."""
