/** The form in which symbols are listed and looked up: the case of a symbol is a matter of taste. */
export function listedSymbol(symbol: string): string {
  return symbol.toUpperCase();
}
