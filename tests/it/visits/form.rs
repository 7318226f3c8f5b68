//! The form, in a browser.
