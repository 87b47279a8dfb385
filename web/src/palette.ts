// The colours of the page for drawing on canvases, read from the style sheet.

import { agentNumber, type Call, type Role, type Turn } from "./document";

export interface Palette {
  role(role: string): string;
  tint(role: string): string;
  /** The colour of a turn's speaker. */
  voice(call: Call, turn: Turn): string;
  wave: string;
  waveTint: string;
  line: string;
  muted: string;
  text: string;
  overtalk: string;
  cut: string;
  accent: string;
  surface: string;
}

export function palette(): Palette {
  const style = getComputedStyle(document.documentElement);
  const known = new Map<string, string>();
  const value = (name: string) => {
    const found = known.get(name) ?? style.getPropertyValue(`--${name}`).trim();
    known.set(name, found);
    return found;
  };
  const sides: Role[] = ["customer", "agent"];
  const named = (role: string) => (sides.includes(role as Role) ? role : role === "acd" ? "queue" : "system");
  return {
    voice: (call, turn) => {
      const number = turn.role === "agent" ? agentNumber(call, turn.who) : 1;
      return value(number > 1 ? `agent-${number}` : named(turn.role));
    },
    role: (role) => value(named(role)),
    tint: (role) => value(`${named(role)}-tint`),
    wave: value("wave"),
    waveTint: value("wave-tint"),
    line: value("line"),
    muted: value("muted"),
    text: value("text"),
    overtalk: value("overtalk"),
    cut: value("cut"),
    accent: value("accent"),
    surface: value("surface"),
  };
}

/** Size a canvas to its displayed size and pixel density. Undefined while it is not displayed. */
export function sized(canvas: HTMLCanvasElement): CanvasRenderingContext2D | undefined {
  const { clientWidth: width, clientHeight: height } = canvas;
  const ratio = Math.max(window.devicePixelRatio, 1);
  if (!width || !height) return undefined;
  if (canvas.width !== Math.round(width * ratio) || canvas.height !== Math.round(height * ratio)) {
    canvas.width = Math.round(width * ratio);
    canvas.height = Math.round(height * ratio);
  }
  const context = canvas.getContext("2d");
  context?.setTransform(ratio, 0, 0, ratio, 0, 0);
  context?.clearRect(0, 0, width, height);
  return context ?? undefined;
}
