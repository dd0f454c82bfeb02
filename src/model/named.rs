//! Choices that AWS spells as texts: one table makes the type, its names and its reading.

/// A choice among names.
pub(super) trait Named: Copy + 'static {
    /// Every choice.
    const ALL: &'static [Self];

    /// Its name.
    fn text(self) -> &'static str;
}

/// Declares an enum from a table of variants and AWS's names for them.
macro_rules! named {
    (
        $(#[$doc:meta])*
        $visibility:vis enum $name:ident { $($(#[$variant_doc:meta])* $variant:ident = $text:literal,)+ }
    ) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
        $visibility enum $name {
            $($(#[$variant_doc])* $variant,)+
        }

        impl $name {
            /// AWS's name.
            #[must_use]
            $visibility const fn name(self) -> &'static str {
                match self {
                    $(Self::$variant => $text,)+
                }
            }
        }

        impl $crate::model::named::Named for $name {
            const ALL: &'static [Self] = &[$(Self::$variant,)+];

            fn text(self) -> &'static str {
                self.name()
            }
        }
    };
}

pub(super) use named;
