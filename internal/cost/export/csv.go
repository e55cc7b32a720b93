package export

import (
	"encoding/csv"
	"fmt"
	"io"

	"github.com/towpath-dev/towpath/internal/spreadsheet"
)

// Columns are those of the data set, in their order: the 21 that FOCUS 1.4 has as mandatory, then others of it, then those
// that begin with x_, which are Towpath's own.
func Columns() []string {
	return []string{
		"BilledCost", "EffectiveCost", "ListCost", "ContractedCost", "PricingQuantity",
		"BillingPeriodStart", "BillingPeriodEnd", "ChargePeriodStart", "ChargePeriodEnd",
		"BillingAccountId", "BillingAccountName", "BillingCurrency", "ChargeCategory", "ChargeClass", "ChargeDescription",
		"HostProviderName", "ServiceProviderName", "InvoiceIssuerName", "ServiceCategory", "ServiceName", "PricingUnit",
		"Tags", "ResourceId", "SubAccountId", "CommitmentDiscountId", "CommitmentDiscountStatus",
		"AllocatedMethodId", "AllocatedMethodDetails", "AllocatedResourceId", "AllocatedResourceName",
		"x_Provisional",
	}
}

// Writer writes rows, in several parts as they come. Close must be called, else the file is not whole.
type Writer interface {
	Write(rows []Row) error
	Close() error
}

type csvWriter struct {
	out     *csv.Writer
	columns []string
}

// NewCSV writes CSV. Null is an empty cell. People open such files in spreadsheets too, so a text that would be a formula there, which no name
// of a provider's service is, begins with an apostrophe. All others, and amounts, are exact, and so is all of Parquet.
func NewCSV(out io.Writer) (Writer, error) {
	w := &csvWriter{out: csv.NewWriter(out), columns: Columns()}
	if err := w.out.Write(w.columns); err != nil {
		return nil, err
	}
	return w, nil
}

func (w *csvWriter) Write(rows []Row) error {
	record := make([]string, len(w.columns))
	for i := range rows {
		fields, err := rows[i].fields()
		if err != nil {
			return err
		}
		// The prices that were not negotiated are not kept; what a use cost stands for them, which is said in the guide.
		billed, effective := rows[i].Billed.String(), rows[i].Effective.String()
		for n, column := range w.columns {
			record[n] = ""
			switch value := fields[column]; {
			case column == "BilledCost":
				record[n] = billed
			case column == "EffectiveCost", column == "ListCost", column == "ContractedCost":
				record[n] = effective
			case value != nil:
				record[n] = spreadsheet.Text(*value)
			}
		}
		if err := w.out.Write(record); err != nil {
			return fmt.Errorf("writing CSV: %w", err)
		}
	}
	return nil
}

func (w *csvWriter) Close() error {
	w.out.Flush()
	return w.out.Error()
}
