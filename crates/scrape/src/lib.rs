//! Discovery, relabelling, scraping, exposition parsers.
