// Texts of the ways in beside a password: a provider, and links that somebody was given. Part of words.ts.

export const waysIn = {
  provider: {
    button: (name: string) => `Sign in with ${name}`,
    reasons: {
      refused: "Signing in there did not work. Try again.",
      stale: "That took too long, or was begun in another window. Try again.",
      unverified: "Your e-mail address is not confirmed there. Confirm it, then try again.",
      exists:
        "There is an account with your e-mail already. Sign in with its password once, then choose this way again: that connects them.",
      unavailable: "The other side cannot be reached. Try again in a moment.",
    },
  },
  links: {
    visitor: "Visitor",
    goneTitle: "This link does not work any more",
    goneLead: "It was used or taken back, or its time is over. Ask for a new one.",
    signInToOpen: "Sign in to open what was shared with you.",
    signInToJoin: (email: string) => `Sign in as ${email} to join.`,
    passwordTitle: "A diagram was shared with you",
    passwordLead: "Whoever shared it also has a password for you.",
    wrongPassword: "This is not the password of this link.",
    open: "Open",
    joinTitle: (organization: string) => `Join ${organization}`,
    joinLead: (email: string, role: string) => `You are invited as ${email}, in the role ${role}.`,
    makeAccountAndJoin: "Create account and join",
    haveAccount: "Already have an account?",
    join: "Join",
    otherAddress: (email: string, own: string) =>
      `This invitation is for ${email}; you are signed in as ${own}. Sign out, then open the link again.`,
    resetTitle: "Choose a new password",
    resetLead: (email: string) => `For the account of ${email}.`,
    reset: "Save and sign in",
  },
};
