//! A text as a QR code in SVG: the address of a unit's page, to be stuck on the unit; a checkpoint, to be printed.

use qrcode::QrCode;
use qrcode::render::svg;

/// Side of the drawing in pixels; it scales without loss.
const SIDE: u32 = 320;

/// A text that is too long for any QR code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the text is too long for a QR code")]
pub struct TooLong;

/// The address of a unit's page below `site`.
#[must_use]
pub fn address(site: &str, unit: &str) -> String {
    format!("{site}/units/{unit}")
}

/// The code as an SVG document.
///
/// # Errors
/// [`TooLong`].
pub fn svg(text: &str) -> Result<String, TooLong> {
    let code = QrCode::new(text).map_err(|_| TooLong)?;
    Ok(code.render::<svg::Color<'_>>().min_dimensions(SIDE, SIDE).build())
}

/// The code as it stands inside a page, without the head of a document of its own.
///
/// # Errors
/// [`TooLong`].
pub fn drawing(text: &str) -> Result<String, TooLong> {
    let svg = svg(text)?;
    Ok(svg.split_once("?>").map_or(svg.as_str(), |(_, drawing)| drawing).to_owned())
}
