"""GraphQL machinery: from the text of a document to its answer."""
