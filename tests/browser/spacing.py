"""Apply a wide font and the text spacing of WCAG 1.4.12 to a page before it is measured.

The rules go into a constructed style sheet, which a Content-Security-Policy leaves alone. Where neither of the wide
fonts is installed, a narrower one is stretched to their width.
"""

_RULES = """
@font-face { font-family: Wide; src: local("DejaVu Sans"), local("Verdana"); }
@font-face { font-family: Wide; font-weight: bold; src: local("DejaVu Sans Bold"), local("Verdana Bold"); }
@font-face { font-family: Stretched; size-adjust: 116%; src:
  local("Liberation Sans"), local("Arial"), local("Helvetica"), local("Noto Sans"); }
*, ::before, ::after {
  line-height: 1.5 !important; letter-spacing: 0.12em !important; word-spacing: 0.16em !important;
}
*:not(code, kbd, pre, samp, [class*="font-mono"], .exact) { font-family: Wide, Stretched, sans-serif !important; }
p { margin-bottom: 2em !important; }
"""
SPREAD = f"""async () => {{
  const sheet = new CSSStyleSheet();
  sheet.replaceSync({_RULES!r});
  document.adoptedStyleSheets = [sheet];
  await Promise.allSettled([...document.fonts].map((font) => font.load()));
}}"""
RESET = "() => { document.adoptedStyleSheets = []; }"
