//! A QR code as SVG: the address of a unit's page, to be stuck on the unit.

use qrcode::QrCode;
use qrcode::render::svg;

/// Side of the drawing in pixels; it scales without loss.
const SIDE: u32 = 320;

/// An address that is too long for any QR code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the address is too long for a QR code")]
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
pub fn svg(address: &str) -> Result<String, TooLong> {
    let code = QrCode::new(address).map_err(|_| TooLong)?;
    Ok(code.render::<svg::Color<'_>>().min_dimensions(SIDE, SIDE).build())
}
