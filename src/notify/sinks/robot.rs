//! What the group robots of WeCom and DingTalk have in common: JSON in, `errcode` out with status 200, 20 messages a minute,
//! and a text that must not be too long.

use std::time::Duration;

use serde::Deserialize;

use crate::notify::post::Reply;
use crate::notify::sink::Answer;

/// How many messages in how long a time both take from one robot.
pub const LIMIT: (u32, Duration) = (20, Duration::from_secs(60));

/// What a code in an answer asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Asks {
    /// Wait this long and try again.
    Wait(Duration),
    /// Try again.
    Again,
    /// It will not be taken.
    Never,
}

#[derive(Deserialize)]
struct Told {
    errcode: i64,
    #[serde(default)]
    errmsg: String,
}

/// Reads the answer; `means` knows the codes other than 0.
pub fn answer(reply: Reply, secrets: &[&str], means: impl Fn(i64) -> Asks) -> Answer {
    let status = Some(reply.status);
    if reply.status != 200 {
        return reply.answer(secrets);
    }
    let Ok(told) = serde_json::from_slice::<Told>(&reply.body) else {
        let detail = format!("not an answer of a robot: {}", reply.shown(secrets));
        return Answer::Retry { status, detail, after: None };
    };
    if told.errcode == 0 {
        return Answer::Delivered { status };
    }
    let words = Reply { body: told.errmsg.into_bytes(), ..reply };
    let detail = format!("errcode {}: {}", told.errcode, words.shown(secrets));
    match means(told.errcode) {
        Asks::Wait(span) => Answer::Retry { status, detail, after: Some(span) },
        Asks::Again => Answer::Retry { status, detail, after: None },
        Asks::Never => Answer::Refused { status, detail },
    }
}

/// The whole lines of a text that fit into so many bytes of UTF-8, and `…` where something is left out.
#[must_use]
pub fn fitting(text: &str, bytes: usize) -> String {
    if text.len() <= bytes {
        return text.to_owned();
    }
    let room = bytes.saturating_sub("\n…".len());
    let end = text.char_indices().map(|(at, _)| at).take_while(|at| *at <= room).last().unwrap_or(0);
    let cut = &text[..end];
    // A line that is cut in its middle may leave a link or an emphasis open.
    let whole = cut.rfind('\n').map_or(cut, |line_end| &cut[..line_end]);
    format!("{whole}\n…")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_cut_between_lines_and_never_inside_a_character() {
        assert_eq!(fitting("花园\n困人", 13), "花园\n困人");
        assert_eq!(fitting("花园\n困人困人", 18), "花园\n…");
        for bytes in 4..40 {
            let cut = fitting("花园困人花园困人", bytes);
            assert!(cut.len() <= bytes, "{bytes}: {cut}");
        }
    }
}
